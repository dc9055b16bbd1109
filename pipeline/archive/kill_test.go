package archive_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/kvitt/kvitt/pipeline/archive"
)

// What Commit has promised survives kill -9 at any moment.
func TestKill(t *testing.T) {
	if dir := os.Getenv("KVITT_TEST_ARCHIVE"); dir != "" {
		writeUntilKilled(t, dir, os.Getenv("KVITT_TEST_RUN"), os.Getenv("KVITT_TEST_FILE"))
		return
	}
	dir := filepath.Join(t.TempDir(), "archive")
	file := report(t, 3<<20) // not made by the writer, who will not clean up
	rounds, promised := 10, 0
	if testing.Short() {
		rounds = 3
	}
	for n := 1; n <= rounds; n++ {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "KVITT_TEST_ARCHIVE="+dir, "KVITT_TEST_RUN="+runID(n), "KVITT_TEST_FILE="+file)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() { // it has begun
			t.Fatal("the writer says nothing")
		}
		kill := time.AfterFunc(time.Duration(rand.IntN(100))*time.Millisecond, func() { cmd.Process.Kill() })
		for ok := true; ok; ok = lines.Scan() {
			if promised, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		cmd.Wait()
		kill.Stop()

		recs := records(t, open(t, dir), archive.Position{})
		blobs := 0
		for _, rec := range recs {
			if rec.Blob != nil {
				blobs++
			}
		}
		if blobs < promised {
			t.Fatalf("round %d: %d blobs, %d were promised", n, blobs, promised)
		}
		noProblems(t, dir)
	}
	t.Logf("%d blobs promised in %d rounds", promised, rounds)
}

func writeUntilKilled(t *testing.T, dir, id, file string) {
	a := open(t, dir)
	r, err := a.Begin(id, a.NextSeq(), lookup(t, a))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(a.NextSeq() - 1)
	for i := range 1 << 30 {
		add(t, r, "k", fmt.Sprint("body ", id, i))
		add(t, r, "same", "the same body")
		if i%5 == 0 { // a file that is new, then one that is known
			addFile(t, r, "file", file)
		}
		if _, err := r.AddNote("intent", json.RawMessage(`{}`)); err != nil {
			t.Fatal(err)
		}
		commit(t, r)
		fmt.Println(a.NextSeq() - 1)
	}
}
