package schema

import "fmt"

// NetworkDDL returns the statements that make the table of the networks that roles have connected
// from, and let pgveil's own login add to it.
func NetworkDDL(login string) string {
	return fmt.Sprintf(`CREATE SCHEMA IF NOT EXISTS pgveil;
CREATE TABLE IF NOT EXISTS pgveil.role_network (
    role text NOT NULL,
    network text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (role, network)
);
REVOKE ALL ON pgveil.role_network FROM PUBLIC;
GRANT USAGE ON SCHEMA pgveil TO %[1]s;
GRANT SELECT, INSERT ON pgveil.role_network TO %[1]s;
`, identifier(login))
}
