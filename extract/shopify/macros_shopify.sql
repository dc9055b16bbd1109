-- What an order of Shopify's Admin GraphQL API says, taken apart once for all models, and the rules by
-- which it becomes deliveries and refunds.
--
-- Sources: https://shopify.dev/docs/api/admin-graphql (Order, SalesAgreement, Fulfillment, Refund, OrderTransaction)
--
-- Revenue and VAT are the journal's: order.agreements → sales. Each sale states its total with
-- tax, whether prices include it or not, and each of its taxes.
--   the pool        what was sold: every sale of the order and of its edits, and the goods that an exchange adds
--   a refund        the sales of one refund agreement, or of a return that no refund has paid yet
--   a delivery      a fulfilment: each item's share of the pool by quantity, rounded so that the parts add up;
--                   what has no quantity (shipping, tips, fees) goes with the first
-- Units that were paid, never left the shop and were refunded are sold and given back on the day of the
-- refund: the provider has a line for both. Units that nobody paid for simply are not there.
-- A channel's tax (channelLiable) is not ours, and neither owed to us: it is left out of every amount.

create or replace temp macro shopify_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- A bag's amount is the customer's, else the shop's. The fields are chosen from, because a choice of structs copies both.
create or replace temp macro shopify_bag(bag) as {
    'amount': (case when bag.presentmentMoney is null then bag.shopMoney.amount else bag.presentmentMoney.amount end)::varchar,
    'currencyCode': (case when bag.presentmentMoney is null then bag.shopMoney.currencyCode else bag.presentmentMoney.currencyCode end)::varchar};

-- An amount in minor units: exact, or it is none. It is taken from a bag in a step before: each time the macro names its
-- argument it is bound anew, which for a bag within an order is most of what planning costs.
create or replace temp macro shopify_money(m) as minor_exact(m.amount, m.currencyCode);

-- A rate in basis points: ratePercentage is 25, rate is 0.25.
create or replace temp macro shopify_rate(t) as
    coalesce(round(try_cast(t.ratePercentage as decimal(12, 6)) * 100), round(try_cast(t.rate as decimal(12, 8)) * 10000), 0)::integer;

-- gid://shopify/Order/450789469 → 450789469
create or replace temp macro shopify_tail(id) as nullif(regexp_extract(id::varchar, '([^/?]+)(\?.*)?$', 1), '');

-- Tax lines typed, with a flag on those that a channel owes; the sum of either kind; and what the rates of ours come to.
create or replace temp macro shopify_tax_lines(taxes) as
    list_transform(coalesce(taxes, []), lambda x: {'is_channel': coalesce(x.channelLiable, false), 'bag': shopify_bag(x.priceSet), 'rate_bp': shopify_rate(x)});
create or replace temp macro shopify_tax_amounts(taxes) as
    list_transform(taxes, lambda x: {'is_channel': x.is_channel, 'amount': shopify_money(x.bag), 'rate_bp': x.rate_bp});
create or replace temp macro shopify_tax(typed, of_channel) as
    coalesce(list_sum(list_transform(list_filter(typed, lambda x: x.is_channel = of_channel), lambda x: x.amount)), 0)::bigint;
create or replace temp macro shopify_rates(typed) as
    coalesce(list_sum(list_transform(list_filter(typed, lambda x: not x.is_channel), lambda x: x.rate_bp)), 0)::integer;

-- The part of an amount that units have of all those it is for: those that leave after the ones before, up to through. So the
-- parts of all add up to it; that most leave at once spares two divisions.
create or replace temp macro shopify_share(amount, before, through, units) as
    case when before = 0 and through = units then amount::bigint
        else div_half_away(amount::hugeint * through::bigint, units::bigint) - div_half_away(amount::hugeint * before::bigint, units::bigint) end;

-- What is on a gateway that no provider will ever settle: the customer paid with what the shop owed.
create or replace temp macro shopify_voucher(gateway) as
    case lower(coalesce(gateway, ''))
        when 'gift_card' then 'gift_card'
        when 'shopify_store_credit' then 'store_credit'
        when 'store_credit' then 'store_credit'
    end;
