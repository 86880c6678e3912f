/* Why: forwarding, source checks and the like are switched per namespace through /proc/sys/net. */
#include "host/sysctl.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"

int sysctl_set(const char *path, const char *value, struct err *err)
{
	scoped_free char *full = mem_printf("/proc/sys/net/%s", path);
	scoped_fd int fd = open(full, O_RDONLY | O_CLOEXEC);
	char had[64];
	ssize_t n;

	if (fd < 0) {
		return err_sys(err, "open %s", full);
	}
	n = read(fd, had, sizeof(had));
	if (n >= 0 && slice_is(slice_trim((struct slice){ had, (size_t)n }), value)) {
		return 0;
	}
	close(take_fd(&fd));
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		return err_sys(err, "set %s to %s", full, value);
	}
	return 0;
}
