/* Fuzz target: any bytes as a document of the format raster. */
#include <stdio.h>

#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct err err = ERR_INIT;
    int rc = replay_document(data, len, READER_IMAGE, &err);
    if (replay_verbose)
        printf("%s %s ", rc < 0 ? err_name(rc) : "ok", rc < 0 ? err.message : "");
    return 0;
}
