// Package bounds attacks a node, the real binary, as the internet would: length fields of two gigabytes, a batch that
// expands a thousandfold, ten thousand connections that say nothing, clients that ask and never read. After each of them
// the node must be alive, its memory under a bound, its log without a panic, and an ordinary client served.
package bounds
