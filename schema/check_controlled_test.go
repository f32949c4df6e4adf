package schema

import "testing"

func TestCheckControlled(t *testing.T) {
	_, login := newDatabase(t,
		`CREATE SCHEMA lab`,
		`CREATE TABLE lab.place (code text PRIMARY KEY)`,
		`CREATE TABLE lab.person (id int, name varchar(80), place text REFERENCES lab.place, born date, year int GENERATED ALWAYS AS (extract(year FROM born)) STORED, weight int, CHECK (weight > id))`,
	)
	db := mustParse(t, `
lab.person: {access: {biologist: decrypt}, columns: {name: {type: varchar(80), encryption: none}, place: {type: text, encryption: none}, born: {type: date, encryption: none}, weight: {type: numeric, encryption: none}, gone: {type: text, encryption: none}}}
lab.persons: {access: {biologist: decrypt}, columns: {name: {type: text, encryption: none}}}`)
	expect(t, problems(t, login, db),
		`warning: lab.person.name: it is stored in the clear`,
		`warning: lab.person.place: it is stored in the clear`,
		`warning: foreign key "person_place_fkey" on lab.person: whether it holds tells of place`,
		`warning: lab.person.born: it is stored in the clear`,
		`warning: generated column "year" of lab.person: it tells of born`,
		`error: lab.person.weight: its type is integer and the schema file's numeric`,
		`warning: CHECK constraint "person_check" on lab.person: whether it holds tells of weight`,
		`error: lab.person.gone: there is no such column`,
		`error: table lab.persons: there is no such table`,
	)
}
