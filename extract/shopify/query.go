package shopify

import (
	"fmt"
	"sync/atomic"
)

// sizes says how often the page sizes of the large queries were halved, because the shop
// counts their cost higher than we do.
type sizes struct{ halved atomic.Int32 }

// of returns n halved, at least 1.
func (s *sizes) of(n int) int { return max(n>>s.halved.Load(), 1) }

// smaller halves the sizes and reports whether that can help any more.
func (s *sizes) smaller() bool { return s.halved.Add(1) <= 7 }

// bag asks for an amount in the currency that the source is read in.
func (c *client) bag(field string) string {
	return field + " { " + c.money + " { amount currencyCode } }"
}

func (c *client) taxLine() string {
	return "{ title rate ratePercentage channelLiable " + c.bag("priceSet") + " }"
}

const pageInfo = "pageInfo { hasNextPage endCursor } "

// The selections of the nodes within an order. Most of a shop's orders fit into one answer of
// the page sizes in orderQuery, whose requested cost is about 850 points by the published
// rule: an object is 1, a connection or list as many as its first. The limit is 1000.
// Source: https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits

func (c *client) lineItem() string {
	return "id name sku quantity currentQuantity unfulfilledQuantity isGiftCard requiresShipping taxable " +
		c.bag("originalTotalSet") + " discountAllocations { " + c.bag("allocatedAmountSet") + " } taxLines " + c.taxLine()
}

func (c *client) shippingLine() string {
	return "id title code isRemoved " + c.bag("originalPriceSet") + " " + c.bag("discountedPriceSet") + " taxLines " + c.taxLine()
}

func (c *client) transaction() string {
	return "id kind status test gateway formattedGateway manualPaymentGateway paymentId processedAt createdAt " +
		c.bag("amountSet") + " parentTransaction { id } receiptJson"
}

func (c *client) adjustments(first int, after string) string {
	return fmt.Sprintf("orderAdjustments(first: %d%s) { %s nodes { id reason %s %s } }", first, after, pageInfo, c.bag("amountSet"), c.bag("taxAmountSet"))
}

func (c *client) refundTransactions(first int, after string) string {
	return fmt.Sprintf("transactions(first: %d%s) { %s nodes { id kind status gateway paymentId processedAt %s receiptJson } }", first, after, pageInfo, c.bag("amountSet"))
}

const refundHead = "id legacyResourceId createdAt processedAt updatedAt return { id } "

const fulfillmentHead = "id legacyResourceId name status createdAt originAddress { countryCode } "

func (c *client) fulfillmentLines(first int, after string) string {
	return fmt.Sprintf("fulfillmentLineItems(first: %d%s) { %s nodes { id quantity lineItem { id } } }", first, after, pageInfo)
}

func (c *client) agreement(sales int, after string) string {
	return fmt.Sprintf("__typename id happenedAt reason ... on RefundAgreement { refund { id } } ... on ReturnAgreement { return { id } } "+
		"sales(first: %d%s) { %s nodes { __typename id actionType lineType quantity %s %s taxes { id %s taxLine { title rate ratePercentage channelLiable } } "+
		"... on ProductSale { lineItem { id } } ... on GiftCardSale { lineItem { id } } ... on TipSale { lineItem { id } } } }",
		sales, after, pageInfo, c.bag("totalAmount"), c.bag("totalTaxAmount"), c.bag("amount"))
}

// The lists whose end cannot be told but by asking for more than there is.
const (
	firstTransactions = 6
	firstRefunds      = 4
	firstFulfillments = 4
)

// orderQuery asks for one order, $id.
func (c *client) orderQuery() string {
	n := c.sizes.of
	return "query KvittOrder($id: ID!) { order(id: $id) { " +
		"id legacyResourceId name number confirmationNumber sourceName sourceIdentifier test edited " +
		"createdAt processedAt updatedAt cancelledAt closedAt currencyCode presentmentCurrencyCode taxesIncluded taxExempt dutiesIncluded " +
		"displayFinancialStatus displayFulfillmentStatus returnStatus paymentGatewayNames poNumber " +
		"retailLocation { id } purchasingEntity { __typename } customAttributes { key value } " +
		"billingAddress { company countryCodeV2 } shippingAddress { company countryCodeV2 } " +
		c.bag("totalPriceSet") + " " + c.bag("currentTotalPriceSet") + " " + c.bag("totalRefundedSet") + " " +
		"totalCashRoundingAdjustment { " + c.bag("paymentSet") + " " + c.bag("refundSet") + " } " +
		fmt.Sprintf("lineItems(first: %d) { %s nodes { %s } } ", n(10), pageInfo, c.lineItem()) +
		fmt.Sprintf("shippingLines(first: %d) { %s nodes { %s } } ", n(3), pageInfo, c.shippingLine()) +
		fmt.Sprintf("transactions(first: %d) { %s } ", n(firstTransactions), c.transaction()) +
		fmt.Sprintf("refunds(first: %d) { %s %s %s %s } ", n(firstRefunds), refundHead, c.bag("totalRefundedSet"), c.adjustments(n(3), ""), c.refundTransactions(n(4), "")) +
		fmt.Sprintf("fulfillments(first: %d) { %s %s } ", n(firstFulfillments), fulfillmentHead, c.fulfillmentLines(n(10), "")) +
		fmt.Sprintf("agreements(first: %d) { %s nodes { %s } } } }", n(4), pageInfo, c.agreement(n(10), ""))
}

// more asks for the next page, $after, of a connection of an order.
func (c *client) more(connection, node string, first int) string {
	return fmt.Sprintf("query KvittOrderMore($id: ID!, $after: String) { order(id: $id) { id updatedAt %s(first: %d, after: $after) { %s nodes { %s } } } }",
		connection, c.sizes.of(first), pageInfo, node)
}

// all asks for a list of an order that has no pages, all of it.
func (c *client) all(list, node string, first int) string {
	return fmt.Sprintf("query KvittOrderAll($id: ID!) { order(id: $id) { id updatedAt %s(first: %d) { %s } } }", list, first, node)
}

// oneAgreement asks for the agreement that follows $after, and its sales from $sales on.
func (c *client) oneAgreement() string {
	return "query KvittAgreement($id: ID!, $after: String, $sales: String) { order(id: $id) { id updatedAt agreements(first: 1, after: $after) { " +
		pageInfo + "nodes { " + c.agreement(c.sizes.of(60), ", after: $sales") + " } } } }"
}

func (c *client) refundRest(adjustments bool) string {
	part := c.refundTransactions(c.sizes.of(50), ", after: $after")
	if adjustments {
		part = c.adjustments(c.sizes.of(50), ", after: $after")
	}
	return "query KvittRefund($id: ID!, $after: String) { refund(id: $id) { id " + part + " } }"
}

func (c *client) fulfillmentRest() string {
	return "query KvittFulfillment($id: ID!, $after: String) { fulfillment(id: $id) { id " + c.fulfillmentLines(c.sizes.of(200), ", after: $after") + " } }"
}

// The list of orders: IDs only, so that a page costs little.
func listQuery(first int) string {
	return fmt.Sprintf("query KvittOrders($query: String, $after: String) { orders(first: %d, after: $after, query: $query, sortKey: UPDATED_AT) { %s nodes { id legacyResourceId name updatedAt } } }", first, pageInfo)
}

const scopesQuery = "query KvittScopes { currentAppInstallation { accessScopes { handle } } }"

const payoutsQuery = "query KvittPayouts($query: String, $after: String) { shopifyPaymentsAccount { id payouts(first: 50, after: $after, query: $query, sortKey: ISSUED_AT) { " + pageInfo +
	"nodes { id legacyResourceId issuedAt status transactionType externalTraceId net { amount currencyCode } summary { " +
	"chargesGross { amount } chargesFee { amount } refundsFeeGross { amount } refundsFee { amount } adjustmentsGross { amount } adjustmentsFee { amount } " +
	"reservedFundsGross { amount } reservedFundsFee { amount } retriedPayoutsGross { amount } retriedPayoutsFee { amount } " +
	"advanceGross { amount } advanceFees { amount } usdcRebateCreditAmount { amount } } } } } }"

const transactionsQuery = "query KvittTransactions($query: String, $after: String) { shopifyPaymentsAccount { id balanceTransactions(first: 60, after: $after, query: $query, sortKey: PROCESSED_AT) { " + pageInfo +
	"nodes { id type test transactionDate sourceType sourceId sourceOrderTransactionId adjustmentReason " +
	"amount { amount currencyCode } fee { amount currencyCode } net { amount currencyCode } " +
	"associatedOrder { id name } associatedPayout { id status } } } } }"
