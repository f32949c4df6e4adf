package statement

// ownRow gives the number of the row that a column's value is of, as budgets count them; 0 if it may be
// of another row, or of several.
func (c *column) ownRow() int32 {
	if c.computed || c.array || c.mixed || c.json != nil || len(c.also) > 0 {
		return 0
	}
	return c.row
}
