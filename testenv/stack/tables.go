package stack

// SchemaHead is where a schema file of the test database begins; its tables follow.
const SchemaHead = `version: 1
keys:
  identity: deterministic
  medical: randomized
profiles:
  care:
    biologist: {verdict: decrypt, search: true}
databases:
  laboratory:
    tables:
`

// Schema is the schema file of the test database: a patient, a result, and a table
// with a column of every logical type in both modes (r_ randomized, d_
// deterministic).
const Schema = SchemaHead + `      lab.patient:
        columns:
          nir:
            type: char(15)
            encryption: deterministic
            key: identity
            domain: nir
            access:
              biologist: {verdict: decrypt, search: true}
              secretary: {search: true, mask: {keep_first: 1, fill: "*"}}
              researcher: hide
          email:
            type: varchar(120)
            encryption: deterministic
            key: identity
            access: {biologist: decrypt, secretary: decrypt}
          last_name:
            type: varchar(80)
            encryption: randomized
            key: medical
            access: {biologist: decrypt, secretary: decrypt, researcher: hide}
          birth_date:
            type: date
            encryption: randomized
            key: medical
            access: {biologist: decrypt, secretary: decrypt, researcher: {mask: {truncate: year}}}
      lab.result:
        columns:
          nir:
            type: char(15)
            encryption: deterministic
            key: identity
            domain: nir
            access: care
          outcome:
            type: varchar(20)
            encryption: randomized
            key: medical
            access: {biologist: decrypt, researcher: decrypt}
          document:
            type: jsonb
            encryption: randomized
            key: medical
            access: care
      lab.every:
        columns:
          r_text: {type: 'text', encryption: randomized, key: medical, access: care}
          d_text: {type: 'text', encryption: deterministic, key: identity, access: care}
          r_varchar: {type: 'varchar(20)', encryption: randomized, key: medical, access: care}
          d_varchar: {type: 'varchar(20)', encryption: deterministic, key: identity, access: care}
          r_char: {type: 'char(10)', encryption: randomized, key: medical, access: care}
          d_char: {type: 'char(10)', encryption: deterministic, key: identity, access: care}
          r_int2: {type: 'int2', encryption: randomized, key: medical, access: care}
          d_int2: {type: 'int2', encryption: deterministic, key: identity, access: care}
          r_int4: {type: 'int4', encryption: randomized, key: medical, access: care}
          d_int4: {type: 'int4', encryption: deterministic, key: identity, access: care}
          r_int8: {type: 'int8', encryption: randomized, key: medical, access: care}
          d_int8: {type: 'int8', encryption: deterministic, key: identity, access: care}
          r_numeric: {type: 'numeric(12,3)', encryption: randomized, key: medical, access: care}
          r_real: {type: 'float4', encryption: randomized, key: medical, access: care}
          r_double: {type: 'float8', encryption: randomized, key: medical, access: care}
          r_bool: {type: 'bool', encryption: randomized, key: medical, access: care}
          d_bool: {type: 'bool', encryption: deterministic, key: identity, access: care}
          r_date: {type: 'date', encryption: randomized, key: medical, access: care}
          d_date: {type: 'date', encryption: deterministic, key: identity, access: care}
          r_timestamp: {type: 'timestamp', encryption: randomized, key: medical, access: care}
          d_timestamp: {type: 'timestamp', encryption: deterministic, key: identity, access: care}
          r_timestamptz: {type: 'timestamptz', encryption: randomized, key: medical, access: care}
          d_timestamptz: {type: 'timestamptz', encryption: deterministic, key: identity, access: care}
          r_uuid: {type: 'uuid', encryption: randomized, key: medical, access: care}
          d_uuid: {type: 'uuid', encryption: deterministic, key: identity, access: care}
          r_jsonb: {type: 'jsonb', encryption: randomized, key: medical, access: care}
          r_bytea: {type: 'bytea', encryption: randomized, key: medical, access: care}
          d_bytea: {type: 'bytea', encryption: deterministic, key: identity, access: care}
`

// Tables is the DDL of the test database as the server sees it. The CHECK
// constraints of the tagged columns are added by Start.
var Tables = []string{
	`CREATE SCHEMA lab`,
	`CREATE TABLE lab.patient (id int PRIMARY KEY, nir bytea UNIQUE, email bytea, last_name bytea, birth_date bytea, city text)`,
	`CREATE TABLE lab.result (id int PRIMARY KEY, patient int REFERENCES lab.patient, nir bytea, outcome bytea, document bytea, sampled timestamptz)`,
	`CREATE TABLE lab.every (id int PRIMARY KEY, plain text, r_text bytea, d_text bytea, r_varchar bytea, d_varchar bytea, r_char bytea, d_char bytea, r_int2 bytea, d_int2 bytea, r_int4 bytea, d_int4 bytea, r_int8 bytea, d_int8 bytea, r_numeric bytea, r_real bytea, r_double bytea, r_bool bytea, d_bool bytea, r_date bytea, d_date bytea, r_timestamp bytea, d_timestamp bytea, r_timestamptz bytea, d_timestamptz bytea, r_uuid bytea, d_uuid bytea, r_jsonb bytea, r_bytea bytea, d_bytea bytea)`,
	`CREATE TABLE lab.plain (id int PRIMARY KEY, note text, nir text)`,
	`CREATE VIEW lab.positive AS SELECT p.nir, p.last_name, r.outcome FROM lab.patient p JOIN lab.result r ON r.patient = p.id`,
	`GRANT USAGE, CREATE ON SCHEMA lab TO biologist, secretary, researcher`,
	`GRANT ALL ON ALL TABLES IN SCHEMA lab TO biologist, secretary, researcher`,
	`CREATE SCHEMA other`,
	`CREATE TABLE other.patient (id int, nir text)`,
	`GRANT USAGE ON SCHEMA other TO biologist, secretary, researcher`,
	`GRANT ALL ON ALL TABLES IN SCHEMA other TO biologist, secretary, researcher`,
}
