/* The ways out of the sandbox that escape_probe tries, and what they aim at. */
#ifndef PLATEN_TESTS_ESCAPE_ACTS_H
#define PLATEN_TESTS_ESCAPE_ACTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

extern const char *secret; /* a file outside */
extern pid_t supervisor;
extern struct sockaddr_in tcp_address; /* somebody listens at both */
extern struct sockaddr_un abstract_address;
extern socklen_t abstract_length;

struct probe {
    const char *name;
    int (*run)(void); /* 0 when it got through, else errno */
    int also;         /* another errno that is a refusal here: the limits */
    bool worker_only; /* the engine may do it, or nothing comes of it there */
};

extern const struct probe probes[];
extern const size_t probe_count;

#endif
