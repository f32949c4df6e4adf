package audit

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// TestForgedFromOwnContent: nothing can be made of a log's own records, MACs, segments and heads but the log itself, or an
// older state of it, of which a checkpoint or an anchor kept elsewhere tells.
func TestForgedFromOwnContent(t *testing.T) {
	good := goodLog(t)
	names := []string{segmentName(1), segmentName(2), segmentName(3)}
	files := make([][][]byte, len(names))
	var all [][]byte
	for i, name := range names {
		files[i] = readLines(t, filepath.Join(good, name))
		all = append(all, files[i]...)
	}
	// forge puts changed lines in the place of one segment's.
	forge := func(what string, file int, lines [][]byte) {
		t.Helper()
		if slices.EqualFunc(lines, files[file], bytes.Equal) {
			return
		}
		dir := copyDir(t, good)
		writeLines(t, filepath.Join(dir, names[file]), lines)
		if r := verify(t, dir); r.OK() {
			t.Errorf("%s in %s is not found", what, names[file])
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	body := func(line []byte) []byte { return line[:bytes.LastIndex(line, []byte(macStart))] }
	for range 150 {
		file := random.IntN(len(files))
		at, from := random.IntN(len(files[file])), all[random.IntN(len(all))]
		own := files[file][at]

		lines := slices.Clone(files[file])
		lines[at] = from
		forge("another record of the log in the place of one", file, lines)

		lines = slices.Clone(files[file])
		lines[at] = append(slices.Clone(body(own)), from[len(body(from)):]...)
		forge("the MAC of another record", file, lines)

		lines = slices.Clone(files[file])
		lines[at] = append(slices.Clone(body(from)), own[len(body(own)):]...)
		forge("another record under the MAC of one", file, lines)

		forge("a record replayed", file, slices.Insert(slices.Clone(files[file]), at, from))

		lines = slices.Clone(files[file])
		random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		forge("records in another order", file, lines)
	}
}
