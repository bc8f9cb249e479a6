package remoting

// PullHeader is the header of a pull request (class PullMessageRequestHeader).
type PullHeader struct {
	Group          string
	Topic          string
	QueueID        int32
	Offset         int64 // first offset wanted
	MaxMessages    int32
	SysFlag        int32 // PullCommitOffset and the others
	CommitOffset   int64
	SuspendMillis  int64 // how long the server may wait
	SubVersion     int64
	Subscription   string
	ExpressionType string // "", TAG or SQL92
	MaxBytes       int32  // 0: the server's limit
	Broker         string // name of the broker meant, "" from old clients
}

// DecodePull reads the header of a pull request, codes 11 and 361.
func DecodePull(c *Command) (PullHeader, error) {
	r := c.Reader()
	h := PullHeader{
		Group:          r.String("consumerGroup"),
		Topic:          r.String("topic"),
		QueueID:        r.Int32("queueId"),
		Offset:         r.Int64("queueOffset"),
		MaxMessages:    r.Int32("maxMsgNums"),
		SysFlag:        r.Int32("sysFlag"),
		CommitOffset:   r.Int64("commitOffset"),
		SuspendMillis:  r.Int64("suspendTimeoutMillis"),
		SubVersion:     r.OptionalInt64("subVersion", 0),
		Subscription:   r.OptionalString("subscription"),
		ExpressionType: r.OptionalString("expressionType"),
		MaxBytes:       r.OptionalInt32("maxMsgBytes", 0),
		Broker:         r.OptionalString("bname"),
	}
	return h, r.Err()
}
