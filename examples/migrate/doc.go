// Package migrate has the programs of docs/coming-from.md: for each library that the page
// names, a function before… uses that library, or a script in js does, and a function
// after… does the same with package sse. The tests run both against the same server and
// compare their output, and show where they differ.
package migrate
