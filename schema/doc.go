// Package schema knows which columns of a server are tagged: the schema file
// that a DBA writes, what each role may do with a column, the catalog of a live
// database around the tagged tables, the DDL that a sealed column needs, and the
// check of one against the other.
//
// [ReadFile] gives a [File], one [Database] for each database it names. A
// [Catalog] is a snapshot of one live database with the tags put on it. [DDL]
// prints SQL, and [Check] reports where the file and the database disagree.
//
// Nothing here touches a value, but for [Pattern.Apply].
package schema
