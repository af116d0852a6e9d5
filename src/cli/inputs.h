/* What the user named, as a list of files: folders are walked (names sorted), the tree below them is kept in
 * the outputs. */
#ifndef PLATEN_CLI_INPUTS_H
#define PLATEN_CLI_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct input {
    char *path;     /* "-" for standard input */
    char *relative; /* path of the outputs below --output, without the format's ending: "sub/a.pdf" */
    char *filename; /* base name, as the service sees it */
};

struct inputs {
    struct input *items;
    size_t count, cap;
};

/* ERR_NOTFOUND for a path that does not exist, ERR_LIMIT above 100,000 files. */
int inputs_collect(char *const *paths, size_t path_count, struct inputs *ret, struct err *err);
void inputs_done(struct inputs *in);

/* Opens the input for reading; standard input is copied to an unlinked file first. */
int input_open(const struct input *in, int *ret_fd, struct err *err);

#endif
