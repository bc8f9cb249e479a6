// Package remotingapi is the remoting door to the RocketMQ front: it decodes what requests carry, calls the front, and
// encodes what it says. It owns the one table of request codes and nothing that lasts.
//
// The same table answers on broker listeners and on name server listeners: which of the two a client thinks it talks to
// makes no difference.
//
//	server, err := remoting.NewServer(remotingapi.New(front), remoting.DefaultOptions())
//	go listener.Serve(server.Serve)
//
// A code that is not in the table is answered with REQUEST_CODE_NOT_SUPPORTED and a sentence. Codes says what is in it,
// for the documentation that is made from it.
package remotingapi
