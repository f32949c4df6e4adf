// Package apply seals what tagged columns already hold. A [Plan] says what would be done to
// a database and what stands in the way; [Job.Run] does it: values are sealed into shadow
// columns in small transactions beside the applications, and one transaction then puts
// them in the place of the columns.
//
// The state of the work is in the database alone: a row of which a shadow is missing is
// still to do. So a job that ends at any moment, killed too, is taken up by the next.
package apply
