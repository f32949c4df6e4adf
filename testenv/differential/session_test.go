package differential

import "fmt"

// session makes a statement of the session: transactions, savepoints, settings.
func (g *generator) session() *statement {
	return &statement{tree: text(g.command())}
}

func (g *generator) command() string {
	if !g.inTx {
		switch g.pick(6) {
		case 0:
			// Both schemas, or names that are found in none.
			g.path = oneOf(g, []string{"lab", "public"}, []string{"other", "lab"}, []string{"lab", "other"}, []string{"public"})
			return "SET search_path TO " + g.path[0] + map[bool]string{true: ", " + g.path[len(g.path)-1]}[len(g.path) > 1]
		case 1:
			return oneOf(g, "SET DateStyle TO 'ISO, DMY'", "SET DateStyle TO 'German'", "SET DateStyle TO 'SQL, MDY'", "RESET DateStyle")
		case 2:
			return oneOf(g, "SET bytea_output TO escape", "SET bytea_output TO hex", "SET TimeZone TO 'Europe/Paris'", "SET TimeZone TO 'UTC'",
				"SET TimeZone TO 'America/New_York'", "SET extra_float_digits TO 0", "RESET extra_float_digits")
		}
		return oneOf(g, "BEGIN", "START TRANSACTION", "BEGIN ISOLATION LEVEL REPEATABLE READ")
	}
	switch g.pick(5) {
	case 0:
		name := fmt.Sprintf("s%d", g.pick(3))
		g.savepoint = append(g.savepoint, name)
		return "SAVEPOINT " + name
	case 1:
		if len(g.savepoint) > 0 {
			name := oneOf(g, g.savepoint...)
			return oneOf(g, "ROLLBACK TO ", "ROLLBACK TO SAVEPOINT ", "RELEASE ") + name
		}
	case 2, 3:
		return oneOf(g, "COMMIT", "END")
	}
	return oneOf(g, "ROLLBACK", "COMMIT", "ABORT")
}

// follow notes the transaction's state after a statement.
func (g *generator) follow(status byte) {
	g.inTx = status != 'I'
	if !g.inTx {
		g.savepoint = nil
	}
}
