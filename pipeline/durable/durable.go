// Package durable makes what is on disk outlast a crash of the machine.
package durable

import (
	"os"
	"path/filepath"
	"runtime"
)

// SyncDir makes the names in dir durable: fsync of a file does not promise that a crash leaves its name.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // cannot be asked for there; NTFS journals names
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// Write puts data at path, readable by the owner only: after a crash there is all of it or what was there before. It
// goes by way of path.tmp, so that only one may write a path at a time.
func Write(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	return SyncDir(filepath.Dir(path))
}
