// Command duolog is the broker and its tools in one binary.
//
//	duolog start      run a node
//	duolog topic      create, list, describe and delete topics, over the Kafka protocol
//	duolog log        look into the logs of a stopped node
//	duolog version    say what this is
//
// Cobra and viper live here alone: a file, the environment and flags become a broker.Options, and everything else is the
// business of package broker. What can be set stands in one list, settings.go.
//
// A mistake is one line on standard error and exit code 1; a wrong command line is exit code 2.
package main
