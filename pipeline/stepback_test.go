package pipeline

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kvitt/kvitt/sql/duck"
)

// TestAReaderInAnotherProcessIsSeen: so is one whose process has read the file elsewhere too, and closed it there.
func TestAReaderInAnotherProcessIsSeen(t *testing.T) {
	ctx := context.Background()
	if path := os.Getenv("KVITT_TEST_READ"); path != "" {
		apart := os.Getenv("KVITT_TEST_APART") != ""
		db, err := duck.Open(ctx, path, duck.Options{ReadOnly: true, Apart: apart})
		if err != nil {
			t.Fatal(err)
		}
		if apart {
			if other, err := duck.Open(ctx, path, duck.Options{ReadOnly: true, Apart: true}); err != nil {
				t.Fatal(err)
			} else if err := other.Close(); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("open")
		bufio.NewReader(os.Stdin).ReadString('\n')
		db.Close()
		return
	}
	path := filepath.Join(t.TempDir(), "ledger.duckdb")
	db, err := duck.Open(ctx, path, duck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec(ctx, "create table t (n integer); checkpoint"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if isRead(path) || isRead(path+".none") {
		t.Error("nobody reads it")
	}
	for _, apart := range []string{"", "apart"} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestAReaderInAnotherProcessIsSeen$")
		cmd.Env = append(os.Environ(), "KVITT_TEST_READ="+path, "KVITT_TEST_APART="+apart)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if !isRead(path) {
			t.Errorf("another process reads it (apart %q), and that is not seen", apart)
		}
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if isRead(path) {
			t.Error("nobody reads it any more")
		}
	}
}
