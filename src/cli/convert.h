/* `platen convert`: see args.h for its arguments. Returns the exit status. */
#ifndef PLATEN_CLI_CONVERT_H
#define PLATEN_CLI_CONVERT_H

int convert_main(int argc, char **argv);

#endif
