package statement

// Changes is a set of what a statement may change for those that follow.
type Changes uint8

const (
	ChangesSession Changes = 1 << iota // search_path, role or another setting
	ChangesCatalog                     // relations, columns, functions
)

// Command is one statement of a text: the bytes [Start, End) and the tokens
// [First, Last), the semicolon left out.
type Command struct {
	Start, End  int
	First, Last int
	Verb        Verb
	Name        string // as the catalog stores it; EXECUTE, DEALLOCATE, PREPARE, DECLARE, FETCH, MOVE, CLOSE
	All         bool   // DEALLOCATE ALL, CLOSE ALL
	Changes     Changes
}

// Commands returns the statements of the text, empty ones left out.
func (t *Text) Commands() []Command { return t.commands }
