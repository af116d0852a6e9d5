/* How wide print would be: a measure of its size that does not depend on a detector's boxes. */
#ifndef PLATEN_WORKER_PIPELINE_SETWIDTH_H
#define PLATEN_WORKER_PIPELINE_SETWIDTH_H

/* The width of a string in ems, set in an ordinary sans-serif face. 0 when fewer than six characters tell. */
float setwidth_of(const char *text);

#endif
