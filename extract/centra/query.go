package centra

import (
	"fmt"
	"regexp"
	"strings"
)

// What is asked of an order and of a return. A ? marks what can be done without. No names,
// addresses or e-mail: the books need none.
//
// Source: the types DirectToConsumerOrder, OrderLine, OrderTotals, DirectToConsumerShipment,
// ShipmentLine, DirectToConsumerReturn, ReturnLine, ReturnTotals, AppliedTaxRuleValue and
// PaymentHistoryEntry at https://centra.dev/graphql/.
const (
	paymentFields = `id? createdAt? status? entryType externalReference? externalId? paymentMethod? paramsJSON? value { value }`

	taxRule = `{ taxIncluded { value } rule? { taxPercent } }`

	orderFields = `
id number status createdAt updatedAt? isOnHold? store? { id type }
grandTotal { value currency { code } conversionRate? }
totals { shipping { value } handling { value } discounts { value } taxAdded { value } taxDeducted { value } taxIncluded { value }
	shippingTaxIncluded? { value } shippingTaxRules? ` + taxRule + ` handlingTaxRules? ` + taxRule + ` discountTaxRules? ` + taxRule + ` }
lines(includeFullyCancelled:true) { id taxPercent quantity cancelledQuantity? lineValue { value } lineValueExTax:lineValue(includingTax:false)? { value } productSize? { SKU } }
discountsApplied? { __typename? value { value } }
shippingAddress { country { code } vatNumber }
billingAddress { country { code } vatNumber }
paymentMethod? { uri? plugin? name? }
paymentHistory { ` + paymentFields + ` }
shipments { id number createdAt isShipped shippedAt isPaid? paidAt? isCaptured? capturedAt?
	grandTotal { value currency { code } }
	discountsApplied? { __typename? value { value } }
	shippingAddress? { country { code } }
	lines { id quantity lineValue { value } lineValueExTax:lineValue(includingTax:false)? { value } orderLine? { id taxPercent? productSize? { SKU } } } }`

	returnFields = `
id status? returnStatus? createdAt order { id number } shipment? { id number }
grandTotal { value currency { code } }
lines { id? quantity? lineValue? { value } lineValueExTax:lineValue(includingTax:false)? { value } orderLine { id taxPercent? productSize? { SKU } } }
totals { shipping { value } handling { value } discounts { value } returnCost { value } taxAdded? { value } taxDeducted? { value }
	shippingTaxRules? ` + taxRule + ` handlingTaxRules? ` + taxRule + ` returnCostTaxRules? ` + taxRule + ` discountTaxRules? ` + taxRule + ` }
discountsApplied? { __typename? value { value } }
refundPaymentHistory { ` + paymentFields + ` }`
)

// fields writes a selection without the marks and without the optional fields in without.
func fields(selection string, without map[string]bool) string {
	var out strings.Builder
	skip, depth := 0, 0 // skip > 0: inside a block that is left out, at that depth
	drop := false       // the field just read was left out; so is its block
	for _, tok := range strings.Fields(strings.NewReplacer("{", " { ", "}", " } ").Replace(selection)) {
		switch tok {
		case "{":
			depth++
			if drop && skip == 0 {
				skip = depth
			}
			drop = false
		case "}":
			drop = false // what was left out had no block
			depth--
			if skip > depth {
				skip = 0
				continue
			}
		default:
			bare, optional := strings.CutSuffix(tok, "?")
			name, _, _ := strings.Cut(bare, "(")
			if _, after, aliased := strings.Cut(name, ":"); aliased {
				name = after
			}
			drop = optional && without[name]
			tok = strings.Replace(bare, "(includingTax:", "(includingTax: ", 1)
		}
		if drop || skip > 0 {
			continue
		}
		out.WriteByte(' ')
		out.WriteString(tok)
	}
	return out.String()
}

// A refused query names the fields that the server does not have, in one of these ways.
// Source: the validation rules of the GraphQL specification as graphql-php words them.
var unknownField = []*regexp.Regexp{
	regexp.MustCompile(`(?i)cannot query field ["'](\w+)["']`),
	regexp.MustCompile(`(?i)field ["'](\w+)["'] (?:doesn't|does not) exist on type`),
	regexp.MustCompile(`(?i)unknown argument ["']\w+["'] on field ["'](?:\w+\.)?(\w+)["']`),
}

// where writes a filter of the Integration API: the conditions, and the store if there is one.
func (c *client) where(conditions ...string) string {
	if c.store != 0 {
		conditions = append(conditions, fmt.Sprintf("storeId: [%d]", c.store))
	}
	return "{" + strings.Join(conditions, ", ") + "}"
}

// wholeOrders asks for orders and their returns by the values of $these: order numbers or IDs.
func (c *client) wholeOrders(byNumber bool) string {
	typ, key, ref := "[Int!]", "number", "orderNumber"
	if !byNumber {
		typ, key, ref = "[String!]", "id", "orderId"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("query Orders($these: %s, $limit: Int, $returnLimit: Int) { orders(where: %s, limit: $limit) {%s } returns(where: %s, limit: $returnLimit) {%s } }",
		typ, c.where(key+": $these"), fields(orderFields, c.without), c.where(ref+": $these"), fields(returnFields, c.without))
}
