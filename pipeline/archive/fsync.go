package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kvitt/kvitt/pipeline/durable"
)

// makeDirs creates dir and its missing parents, durably, readable by the owner only.
func makeDirs(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := makeDirs(filepath.Dir(dir)); err != nil {
			return err
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return durable.SyncDir(filepath.Dir(dir))
}
