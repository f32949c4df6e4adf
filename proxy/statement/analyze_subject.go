package statement

// newRow gives the number of the rows of one more table of FROM.
func (x *analysis) newRow() int32 {
	x.rows++
	return x.rows
}

// renumber gives the columns of a query or view that is read once more rows of their own: those of one
// reading stand beside one another, and not beside those of another.
func (x *analysis) renumber(columns []column) {
	var known map[int32]int32
	for i := range columns {
		c := &columns[i]
		c.json = c.json.withoutRows()
		if c.row == 0 {
			continue
		}
		if known[c.row] == 0 {
			if known == nil {
				known = make(map[int32]int32)
			}
			known[c.row] = x.newRow()
		}
		c.row = known[c.row]
	}
}

// forgetRows says of columns that it is not known which rows they are of.
func forgetRows(columns []column) {
	for i := range columns {
		columns[i].row, columns[i].json = 0, columns[i].json.withoutRows()
	}
}

// pairSubjects finds, for each output of a table that has a subject, the one that holds the subject of the
// same row.
func pairSubjects(outputs []Output, targets []target) {
	for i := range targets {
		if targets[i].ofOneRow() && targets[i].tagged.InFile().Subject != nil {
			outputs[i].Subject = subjectAmong(targets, &targets[i])
		}
	}
}

func subjectAmong(targets []target, t *target) int {
	subject := t.tagged.InFile().Subject
	for i := range targets {
		if o := &targets[i]; o.ofOneRow() && o.row == t.row && o.tagged.InFile() == subject {
			return i + 1
		}
	}
	return 0
}

// ofOneRow reports whether all values of a result column are those of one column, each of a
// row that is known.
func (t *target) ofOneRow() bool {
	return t.tagged != nil && t.row != 0 && len(t.also) == 0 && !t.array && !t.mixed && !t.made && t.json == nil
}
