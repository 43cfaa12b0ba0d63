// Package image makes the initial RAM disk that a guest boots from: the running
// program as its first process, the kernel modules that scenarios need, and
// nothing else.
package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/u-root/u-root/pkg/cpio"

	"testbed/vm"
	"testbed/vm/kernel"
)

// Build is the image of a program for a kernel: an uncompressed cpio archive, as
// unpacking would cost the guest seconds. The program is an ELF file; what it is
// linked with comes along. The same input gives the same bytes.
func Build(k kernel.Kernel, program string) ([]byte, error) {
	modules, err := Modules(k)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	records := []cpio.Record{
		cpio.Directory("dev", 0o755), cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.StaticFile(vm.ProgramPath[1:], string(content), 0o755),
	}
	libraries, err := Libraries(program)
	if err != nil {
		return nil, err
	}
	for _, f := range libraries {
		if f.Link != "" {
			records = append(records, cpio.Symlink(f.Path[1:], f.Link))
			continue
		}
		records = append(records, cpio.StaticFile(f.Path[1:], string(f.Data), uint64(f.Mode.Perm())))
	}
	manifest := vm.Manifest{}
	for i, m := range modules {
		name := fmt.Sprintf("%03d-%s.ko", i, m.Name)
		manifest.Modules = append(manifest.Modules, name)
		records = append(records, cpio.StaticFile(filepath.Join(vm.ModulesDir, name)[1:], string(m.Content), 0o644))
	}
	b, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	records = append(records, cpio.StaticFile(vm.ManifestPath[1:], string(b), 0o644))
	cpio.MakeAllReproducible(records)
	var out bytes.Buffer
	w := cpio.Newc.Writer(&out)
	if err := cpio.WriteRecordsAndDirs(w, records); err != nil {
		return nil, fmt.Errorf("write image: %w", err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("write image: %w", err)
	}
	return out.Bytes(), nil
}
