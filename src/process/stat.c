/* See stat.h (proc(5), /proc/PID/stat). */
#include "process/stat.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fdio.h"

#define FIELD_START 22 /* counted from 1 */
#define FIELD_RSS 24

bool process_stat_read(pid_t pid, struct process_stat *ret)
{
    char path[40], text[1024];
    if (pid <= 0)
        return false;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd < 0 || fd_read_full(fd, text, sizeof(text) - 1, &n, NULL) < 0)
        return false;
    text[n] = '\0';
    struct process_stat stat = {0};
    const char *s = strrchr(text, ')'); /* the name may hold anything; what follows it is field 3 */
    for (int field = 3; s && field <= FIELD_RSS; field++) {
        s = strchr(s + 1, ' ');
        if (s && field == FIELD_START)
            stat.start_ticks = strtoull(s, NULL, 10);
        if (s && field == FIELD_RSS)
            stat.rss_pages = strtoull(s, NULL, 10);
    }
    *ret = stat;
    return s != NULL;
}
