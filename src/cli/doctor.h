/* `platen doctor`: is everything there, and if not, how to mend it. Returns the exit status. */
#ifndef PLATEN_CLI_DOCTOR_H
#define PLATEN_CLI_DOCTOR_H

int doctor_main(int argc, char **argv);

#endif
