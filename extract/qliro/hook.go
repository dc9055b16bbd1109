package qliro

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// hook reads Qliro's pushes: of a checkout's status, and of what order management did. They are not
// signed: Qliro's documentation says to put a token of one's own into the URL.
// They come again until answered, and name an order, which is then read.
// Source: https://developers.qliro.com/ → Notifications.
var hook = extract.Hook{
	Unsigned: true,
	Read: func(_ extract.Config, call extract.Call) ([]extract.Hint, error) {
		var push struct {
			OrderID any `json:"OrderId"`
		}
		d := json.NewDecoder(bytes.NewReader(call.Body))
		d.UseNumber()
		if err := d.Decode(&push); err != nil {
			return nil, fmt.Errorf("%w: the push is no JSON object", extract.ErrMalformed)
		}
		id := text(push.OrderID)
		if id == "" || strings.Trim(id, "0123456789") != "" || len(id) > 19 {
			return nil, fmt.Errorf("%w: the push names no OrderId", extract.ErrMalformed)
		}
		return []extract.Hint{{Stream: orders, ID: id}}, nil
	},
	Reply: func(extract.Call) (string, []byte) {
		return "application/json", []byte(`{"CallbackResponse":"received"}`)
	},
}
