package sie

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// A tempFile is what put needs of an *os.File.
type tempFile interface {
	io.Writer
	Name() string
	Chmod(fs.FileMode) error
	Sync() error
	Close() error
}

func createTemp(dir, pattern string) (tempFile, error) { return os.CreateTemp(dir, pattern) }

// put writes content to path and waits until file and folder are on disk. A file that
// is there stays as it is.
//
// Errors: fs.ErrExist when path holds something else, those of the file system.
func (t *Target) put(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	if err := mkdirSynced(dir); err != nil {
		return err
	}
	if err := compare(path, content); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	create := t.create
	if create == nil {
		create = createTemp
	}
	// ReadDir and importers look for .si; a crash may leave a .tmp behind.
	tmp, err := create(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if e := os.Remove(tmp.Name()); err == nil && e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = e
		}
	}()
	if err := fill(tmp, content); err != nil {
		return err
	}
	if err := publish(os.Link, tmp.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return compare(path, content)
		}
		return err
	}
	return syncPath(dir)
}

// fill writes content to f, syncs and closes it.
func fill(f tempFile, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		// Files are for the person who imports them, who may only share the group.
		err = f.Chmod(0o640)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// publish gives the file tmp the name path, unless that is taken. Renaming would
// replace what is there; it is the way only on file systems that know no links.
//
// Errors: fs.ErrExist, those of the file system.
func publish(link func(old, new string) error, tmp, path string) error {
	err := link(tmp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "rename", Path: path, Err: fs.ErrExist}
	}
	return os.Rename(tmp, path)
}

// compare returns nil when the file at path holds content, with its flag set or not,
// and makes sure it is on disk: whoever wrote it may have crashed before.
//
// Errors: fs.ErrNotExist, fs.ErrExist when it holds something else.
func compare(path string, content []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b = bytes.Replace(b, []byte("#FLAGGA 1\r\n"), []byte("#FLAGGA 0\r\n"), 1)
	if !bytes.Equal(b, content) {
		return fmt.Errorf("another %w", fs.ErrExist)
	}
	if err := syncPath(path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// mkdirSynced makes dir and the parents it lacks, and waits until their names are on disk.
func mkdirSynced(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("not a directory")}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return err
	}
	if err := mkdirSynced(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncPath(parent)
}

// syncPath waits until a file, or the names in a folder, are on disk. Windows syncs only
// what is open for writing, and no folders.
func syncPath(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
