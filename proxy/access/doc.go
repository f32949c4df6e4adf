// Package access holds who may connect from where, how and when: the rules of a file,
// by role, and the mapping of clients' certificates to roles. It decides without
// looking at anything but its arguments.
package access
