// Package remoting speaks RocketMQ's remoting protocol: it turns bytes into commands and messages and back, and runs the
// connections. It knows how things are spelled and nothing about what they mean.
//
// It owns
//   - the command frame with both header encodings, JSON and the compact one that RocketMQ calls ROCKETMQ,
//   - the stored message layout in which messages travel in pull responses, and the layout of batch bodies,
//   - properties, message ids, system flags, request and response codes,
//   - the JSON bodies in the spelling that fastjson, fastjson2 and rocketmq-client-go all accept,
//   - connections: requests may overtake each other, and the server may send requests of its own.
//
// Life of a connection: a wire.Listener accepts it and gives it to a Server. One goroutine reads frames, decodes them and starts each request in the order of arrival; the answer is written at once or by a goroutine that
// waits for it, whichever comes first goes out first. When the connection ends, for whatever reason, everything that was
// started for it is told through its context, and the handler is told once.
//
// Use:
//
//	server, err := remoting.NewServer(door, remoting.DefaultOptions())
//	listener, err := wire.Listen("127.0.0.1:10911", remoting.ListenerOptions(wire.Options{Name: "ROCKETMQ"}))
//	go listener.Serve(server.Serve)
//
//	func (h *door) Handle(r *remoting.Request) remoting.Answer {
//		fields := r.Reader()
//		topic := fields.String("topic")
//		if err := fields.Err(); err != nil {
//			return remoting.Reply(r.Answer(remoting.SystemError, err.Error()))
//		}
//		return remoting.Later(func(ctx context.Context) *remoting.Command { return h.wait(ctx, r, topic) })
//	}
//
// It does not decide what a code means, does not compress or decompress bodies, and keeps no state beyond a connection.
// Nothing that arrives over a socket makes it panic, and nothing makes it allocate more than a small multiple of the
// frame that came.
//
// The facts are those of Apache RocketMQ: RemotingCommand, RocketMQSerializable, NettyRemotingAbstract, MessageDecoder,
// MessageSysFlag, RequestCode, ResponseCode.
package remoting
