package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzVerify puts arbitrary bytes in the place of a segment: nothing but what was
// written, or that with an incomplete line after it, may pass for the log.
func FuzzVerify(f *testing.F) {
	good := filepath.Join("testdata", "log") // the same in each of the fuzzer's processes
	const name = "pgveil-000003.jsonl"
	original, err := os.ReadFile(filepath.Join(good, name))
	if err != nil {
		f.Fatal(err)
	}
	for _, change := range [][]byte{
		original, nil, original[:len(original)-1], original[:200], append(original[:len(original):len(original)], "torn"...),
		append(original[:len(original):len(original)], "{}\n"...), bytes.ReplaceAll(original, []byte("1"), []byte("2")),
		bytes.Repeat([]byte("\n"), 9), []byte(`{"seq":18446744073709551615,"kind":"segment","mac":"AA"}` + "\n"),
		[]byte(`{"seq":0,"kind":"segment","previous":{},"abandoned":[{"segment":"pgveil-000001.jsonl"}],"mac":"AA"}` + "\n"),
	} {
		f.Add(change)
	}
	dir := copyDir(f, good)
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(dir, name)
		// A new file: some file systems write one that is truncated to the disk.
		if err := errors.Join(os.Remove(path), os.WriteFile(path, content, 0o600)); err != nil {
			t.Fatal(err)
		}
		r, err := Verify(VerifyOptions{Dir: dir, MAC: theMAC, Verifier: theKey})
		if err != nil {
			t.Fatal(err)
		}
		rest, whole := bytes.CutPrefix(content, original)
		if torn := len(rest) == 0 || bytes.IndexByte(rest, '\n') < 0 || bytes.IndexByte(rest[:bytes.IndexByte(rest, '\n')+1], 0) >= 0; r.OK() != (whole && torn) {
			t.Fatalf("OK is %v: %v", r.OK(), r.Problems)
		}
	})
}

// FuzzHead puts arbitrary bytes in the place of the head.
func FuzzHead(f *testing.F) {
	original, err := os.ReadFile(filepath.Join("testdata", "log", headName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(original)
	f.Add(original[:100])
	f.Add(bytes.Repeat([]byte(" "), headSize))
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := decodeHead(content, theMAC)
		if same := bytes.Equal(bytes.TrimRight(content, " \n"), bytes.TrimRight(original, " \n")) && len(content) == headSize; same != (err == nil) {
			t.Fatalf("%+v, %v", h, err)
		}
	})
}
