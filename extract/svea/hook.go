package svea

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// hook reads Svea's callbacks. They carry no signature, so a secret in their URL stands in for one.
//
// Source: https://docs.payments.svea.com/docs/manage-order/callbacks
var hook = &extract.Hook{
	Unsigned: true,
	Read:     readHook,
	Reply:    func(extract.Call) (string, []byte) { return "text/plain", nil },
}

// readHook returns the order that a callback is about; of a ping, nothing. The older push of
// a single order has no body: its URL names the order as svea_order, which is where the
// merchant's PushUri must have the placeholder {checkout.order.uri}.
func readHook(_ extract.Config, call extract.Call) ([]extract.Hint, error) {
	if len(bytes.TrimSpace(call.Body)) == 0 {
		if call.URL != nil {
			id := call.URL.Query().Get("svea_order")
			if i := strings.LastIndexByte(strings.TrimRight(id, "/"), '/'); i >= 0 {
				id = strings.TrimRight(id, "/")[i+1:]
			}
			if isNumber(id) {
				return []extract.Hint{{Stream: orders, ID: id}}, nil
			}
		}
		return nil, fmt.Errorf("%w: a callback without a body, and no order in its URL as svea_order", extract.ErrMalformed)
	}
	var event struct {
		EventName       string
		CheckoutOrderID json.RawMessage `json:"CheckoutOrderId"`
	}
	if err := json.Unmarshal(call.Body, &event); err != nil {
		return nil, fmt.Errorf("%w: a callback is a JSON object", extract.ErrMalformed)
	}
	id := strings.Trim(string(event.CheckoutOrderID), `"`)
	switch {
	case isNumber(id) && strings.Trim(id, "0") != "":
		return []extract.Hint{{Stream: orders, ID: id}}, nil
	case event.EventName == "Ping", strings.HasPrefix(event.EventName, "StandaloneOrder."):
		return nil, nil // of orders outside of the checkout there is nothing to read here
	}
	return nil, fmt.Errorf("%w: a callback %q without a CheckoutOrderId", extract.ErrMalformed, extract.Clip(event.EventName))
}

// isNumber reports whether id is a whole number, as checkout order IDs are.
func isNumber(id string) bool {
	return id != "" && len(id) < 20 && strings.Trim(id, "0123456789") == ""
}
