package image

import (
	"bufio"
	"bytes"
	"debug/elf"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode"

	"testbed/vm"
)

// Programs are the files that a guest needs for command lines: every word of them
// that this host would find as a program, with its libraries, and the interpreter
// of a script. Words of a shell's command count too, wherever they stand. A word
// that is no program here is left out; the guest then says that there is none.
func Programs(commands [][]string) ([]vm.File, error) {
	var files []vm.File
	seen := map[string]bool{}
	for _, args := range commands {
		for _, arg := range args {
			for _, word := range words(arg) {
				if seen[word] {
					continue
				}
				seen[word] = true
				fs, err := Program(word)
				if err != nil {
					return nil, err
				}
				files = append(files, fs...)
			}
		}
	}
	return unique(files), nil
}

// words are what may be names of programs in an argument.
func words(arg string) []string {
	return strings.FieldsFunc(arg, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("|&;()<>`\"'${}=,", r)
	})
}

// Program is the files of one program: none where this host has no such program.
func Program(name string) ([]vm.File, error) { return program(name, mostInterpreters) }

// mostInterpreters is how many scripts may be each other's interpreter, as in
// Linux (fs/exec.c, exec_binprm).
const mostInterpreters = 5

func program(name string, depth int) ([]vm.File, error) {
	if depth == 0 {
		return nil, nil // the guest will say that there are too many
	}
	path, err := exec.LookPath(name)
	if err != nil || name == "." || name == ".." {
		return nil, nil
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	files, err := follow(path)
	if err != nil {
		return nil, fmt.Errorf("read program %s: %w", path, err)
	}
	last := files[len(files)-1]
	if interpreter := shebang(last.Data); interpreter != "" {
		for _, word := range strings.Fields(interpreter) {
			fs, err := program(word, depth-1)
			if err != nil {
				return nil, err
			}
			files = append(files, fs...)
		}
		return unique(files), nil
	}
	if !isELF(last.Data) {
		return files, nil // the guest will say that it can't execute it
	}
	libraries, err := Libraries(last.Path)
	return unique(append(files, libraries...)), err
}

// isELF tells whether a file can be read as ELF at all.
func isELF(content []byte) bool {
	_, err := elf.NewFile(bytes.NewReader(content))
	return err == nil
}

// shebang is what follows "#!" on a script's first line.
func shebang(content []byte) string {
	rest, ok := bytes.CutPrefix(content, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, err := bufio.NewReader(bytes.NewReader(rest)).ReadLine()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(line))
}
