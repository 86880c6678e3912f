/* Why: the role as 'kennel dns' runs it, for role.test. */
#include "dns/dns.h"

int main(int argc, char **argv)
{
	return dns_main(argc, argv);
}
