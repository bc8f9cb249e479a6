package controller

// ConsumeEnable says whether a group's RocketMQ consumers may read (SubscriptionGroupConfig.consumeEnable).
const ConsumeEnable = "consume.enable"

// groupConfigs holds the configs of consumer groups.
var groupConfigs = newConfigTable([]ConfigDef{
	{
		Name: ConsumeEnable, Type: TypeBoolean, Default: "true", check: oneOf("true", "false"),
		Doc: "Whether the group's RocketMQ consumers may read.",
	},
}, nil)
