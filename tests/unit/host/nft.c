/* Why: transactions are built without the kernel's help; what they hold must depend on nothing but
 * what was asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/nft-rule.h"

static const struct nft_set entries = { "entries",
	                                { NFT_FIELD_IP4, NFT_FIELD_PROTO, NFT_FIELD_PORT },
	                                { NFT_FIELD_MARK } };

static struct nft *open_here(void)
{
	struct nft *n;

	assert_int_equal(nft_open(-1, IP_V4, "test", &n, NULL), 0);
	return n;
}

static void build(struct nft *n, uint32_t value)
{
	static const uint8_t key[12] = { 10, 0, 0, 1, 6 };

	nft_table_add(n);
	nft_set_add(n, &entries);
	nft_chain_add(n, "c", &(struct nft_hook){ "filter", 2, -5 });
	nft_rule_begin(n, "c");
	nft_rule_daddr(n, 0);
	nft_rule_meta(n, 1, NFT_META_L4PROTO);
	nft_rule_dport(n, 2);
	nft_rule_map(n, 0, &entries, 0);
	nft_rule_set_mark(n, 0);
	nft_rule_goto(n, "d");
	nft_element_add(n, &entries, &(struct nft_element){ .key = key, .data = &value });
}

static void equal_queues_have_equal_digests(void **state)
{
	struct nft *a = open_here(), *b = open_here();
	uint64_t first;

	(void)state;
	build(a, 1);
	first = nft_changes_digest(a);
	/* Other sequence numbers, other sockets, other time. */
	nft_forget_changes(a);
	build(a, 1);
	build(b, 1);
	assert_int_equal(nft_changes_digest(a), first);
	assert_int_equal(nft_changes_digest(b), first);
	nft_forget_changes(b);
	build(b, 2);
	assert_true(nft_changes_digest(b) != first);
	nft_close(a);
	nft_close(b);
}

static void an_empty_transaction_is_done(void **state)
{
	struct nft *n = open_here();

	(void)state;
	assert_int_equal(nft_commit(n, NULL), 0);
	build(n, 1);
	nft_forget_changes(n);
	assert_int_equal(nft_commit(n, NULL), 0);
	nft_close(n);
}

static void sizes_are_padded_fields(void **state)
{
	(void)state;
	assert_int_equal(nft_set_key_size(&entries), 12);
	assert_int_equal(nft_set_data_size(&entries), 4);
}

static void many_elements_are_cut_into_messages(void **state)
{
	struct nft *n = open_here();

	(void)state;
	/* More than an attribute's 16 bits of length hold. */
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t key[3] = { i, 6, 80 };

		nft_element_add(n, &entries, &(struct nft_element){ .key = key, .data = &i });
	}
	assert_true(nft_changes_digest(n) != 0);
	nft_close(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_queues_have_equal_digests),
		cmocka_unit_test(an_empty_transaction_is_done),
		cmocka_unit_test(sizes_are_padded_fields),
		cmocka_unit_test(many_elements_are_cut_into_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
