package remoting

// Bits of a message's system flag (class MessageSysFlag).
const (
	SysCompressed    int32 = 0x1 // the producer compressed the body
	SysMultiTags     int32 = 0x2
	SysBornHostV6    int32 = 0x10
	SysStoreHostV6   int32 = 0x20
	SysNeedUnwrap    int32 = 0x40
	SysInnerBatch    int32 = 0x80
	SysTransactional int32 = 0xC   // mask
	SysCompression   int32 = 0x700 // mask
)

// Values under the mask SysTransactional.
const (
	SysTransactionPrepared int32 = 0x4
	SysTransactionCommit   int32 = 0x8
	SysTransactionRollback int32 = 0xC
)

// Bits of a pull request's system flag (class PullSysFlag).
const (
	PullCommitOffset int32 = 0x1 // commit the offset that the request carries
	PullSuspend      int32 = 0x2 // the server may wait for messages
	PullSubscription int32 = 0x4 // the request carries the subscription
	PullClassFilter  int32 = 0x8
	PullLite         int32 = 0x10
)

// Permission bits of a topic on a broker (class PermName).
const (
	PermWrite   = 2
	PermRead    = 4
	PermInherit = 1
)
