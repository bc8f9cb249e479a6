package group

import "errors"

// Errors of the coordinator; each is one sentence. The front maps them to Kafka's codes in its one place.
var (
	// ErrInvalidGroup says that a request names no group, or one whose name is too long.
	ErrInvalidGroup = errors.New("the group's name is empty or too long")
	// ErrInvalidSessionTimeout says that a session time-out lies outside of what is allowed.
	ErrInvalidSessionTimeout = errors.New("the session time-out is outside of the allowed range")
	// ErrUnknownGroup says that there is no such group.
	ErrUnknownGroup = errors.New("there is no such group")
	// ErrUnknownMember says that the group has no such member: it forgets its id and joins anew.
	ErrUnknownMember = errors.New("the group has no such member")
	// ErrMemberIDRequired says that a new member must join once more, with the id that it was given (KIP-394).
	ErrMemberIDRequired = errors.New("the member must join again with the id it was given")
	// ErrFencedInstance says that another process has taken the place of this static member (KIP-345).
	ErrFencedInstance = errors.New("another member with the same instance id has taken this one's place")
	// ErrIllegalGeneration says that the member speaks of a generation that is not the group's present one.
	ErrIllegalGeneration = errors.New("the generation is not the group's present one")
	// ErrRebalanceInProgress says that the group waits for its members to join again.
	ErrRebalanceInProgress = errors.New("the group is rebalancing")
	// ErrInconsistentProtocol says that a member's protocols don't go with those of the group's other members.
	ErrInconsistentProtocol = errors.New("the member's protocols do not go with those of the group")
	// ErrGroupFull says that the group takes no further member.
	ErrGroupFull = errors.New("the group has as many members as it may")
	// ErrTooManyGroups says that the coordinator takes no further group.
	ErrTooManyGroups = errors.New("the coordinator has as many groups as it may")
	// ErrTooLarge says that what a member brings would make the group larger than it may be.
	ErrTooLarge = errors.New("the group's metadata would be larger than allowed")
	// ErrNonEmptyGroup says that the group has members, and so can't be deleted.
	ErrNonEmptyGroup = errors.New("the group has members")
	// ErrSubscribed says that members of the group are subscribed to the topic, so that its offsets must stay.
	ErrSubscribed = errors.New("the group is subscribed to the topic")

	// ErrLoading says that the coordinator is reading what is stored of its groups: the same request works in a moment.
	ErrLoading = errors.New("the coordinator is loading its groups")
	// ErrNotCoordinator says that this node does not coordinate the group, or no longer.
	ErrNotCoordinator = errors.New("this node does not coordinate the group")
	// ErrUnavailable says that the coordinator had to give up what it was doing; nothing that was promised is lost.
	ErrUnavailable = errors.New("the coordinator is not available")
)
