package wire

// NotificationMessage is a NotificationResponse, the effect of a NOTIFY.
type NotificationMessage struct {
	PID              uint32
	Channel, Payload []byte
}

// DecodeNotification decodes a NotificationResponse.
func DecodeNotification(body []byte) (NotificationMessage, error) {
	c := cursor{rest: body}
	m := NotificationMessage{PID: c.uint32(), Channel: c.string(), Payload: c.string()}
	return m, c.end()
}
