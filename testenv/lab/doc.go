// Package lab makes up a French medical laboratory: patients and their results,
// for tests, the demo and the benchmarks.
//
// Nobody in it exists. Telephone numbers are from the blocks that the regulator
// (Arcep, decision 2018-0881) keeps for works of fiction, e-mail addresses are in the domains of
// RFC 2606. Numbers of the Répertoire (NIR) are valid in form and key, and drawn
// at random.
//
// Every row is a function of the seed and its number alone: the memory used
// does not grow with the size, and the same seed gives the same laboratory.
package lab
