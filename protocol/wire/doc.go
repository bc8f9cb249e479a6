// Package wire owns connections: listening, counting, reading bounded frames and writing replies.
//
// Both client protocols are length-prefixed: four bytes, big-endian, then so many bytes. This package knows that and
// nothing else about them. It turns a socket into frames and takes replies back, and it holds every bound that protects
// a node from a socket:
//
//   - connections in all and per address;
//   - the size of a frame, and the bytes of all frames that a listener holds at one time ([Budget]);
//   - memory for a large frame, which is allocated while its bytes arrive, never because a length field asks for it;
//   - replies queued on a connection, by count and by bytes; a client that does not read is cut after a deadline.
//
// # Life
//
// [Listen] binds and knows its port at once, [Listener.Serve] accepts, a [Handler] runs once per connection on that
// connection's own goroutine: it reads frames and sends replies until it returns. A second goroutine writes; it lives
// only while there is something to write, so an idle connection costs one small stack and no buffer.
// [Listener.Close] drains: nothing new is read, what was asked is answered, then connections close.
//
//	l, err := wire.Listen("127.0.0.1:0", wire.Options{Name: "PLAINTEXT", Speaks: wire.Kafka})
//	go l.Serve(func(c *wire.Conn) error {
//		for {
//			f, err := c.ReadFrame()
//			if err != nil {
//				return err
//			}
//			err = c.Send(answer(f.Bytes))
//			f.Release()
//			if err != nil {
//				return err
//			}
//		}
//	})
//	defer l.Close(ctx)
//
// It does not decode a frame, does not know who is logged in, and does not choose advertised addresses.
package wire
