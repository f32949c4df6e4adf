// Package statement turns SQL text into a Plan: what to seal, what each
// result column is, which tagged columns are touched.
//
// Every text passes the package's own Lexer first. It follows PostgreSQL's
// scan.l token for token, and answers without allocating: whether the text can
// reach a tagged table at all (Mentions), where its statements begin and end
// (Commands), how deep a parse tree it could make (Depth), and which other
// texts have the same analysis (Shape). Only then is PostgreSQL's parser, C
// code without a bound of its own, given the folded text.
package statement
