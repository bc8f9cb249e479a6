package message

// Property names with a meaning in RocketMQ that code here or in the RocketMQ front refers to (MessageConst).
const (
	PropertyKeys           = "KEYS"
	PropertyTags           = "TAGS"
	PropertyWait           = "WAIT"
	PropertyDelay          = "DELAY"
	PropertyUniqKey        = "UNIQ_KEY"
	PropertyTimerDelaySec  = "TIMER_DELAY_SEC"
	PropertyTimerDelayMs   = "TIMER_DELAY_MS"
	PropertyTimerDeliverMs = "TIMER_DELIVER_MS"
)

// IsUserName says that a user may set the property, directly or through the client's API, and that it has RocketMQ's meaning
// in a Kafka header too.
func IsUserName(name string) bool { panic("skeleton") }

// IsInternalName says that only a broker, or a client's internals, may set the property; a Kafka header of that name is shown to
// RocketMQ readers under a marked name.
func IsInternalName(name string) bool { panic("skeleton") }
