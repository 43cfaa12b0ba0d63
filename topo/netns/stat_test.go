package netns_test

import (
	"io/fs"
	"syscall"
)

func inode(st fs.FileInfo) uint64 { return st.Sys().(*syscall.Stat_t).Ino }

func sethostname(name string) error { return syscall.Sethostname([]byte(name)) }
