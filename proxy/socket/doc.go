// Package socket reads and writes sockets as the message path needs it: without a buffer
// while nothing has come, and without Go's scheduler being told of each system call.
package socket
