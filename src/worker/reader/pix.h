/* Between our images and leptonica's PIX. */
#ifndef PLATEN_WORKER_READER_PIX_H
#define PLATEN_WORKER_READER_PIX_H

#include <leptonica/allheaders.h>

#include "worker/reader/internal.h"

/* Silences leptonica's messages on stderr; errors come back as values. Before the first call of any of its
 * functions. */
void pix_setup(void);
/* Grey images give 8 bits a pixel, BGR 32. ERR_MEMORY. */
int pix_of_image(const struct image *im, PIX **ret, struct err *err);
/* Any PIX without alpha (see pix_flatten); the image is grey for 1, 2, 4, 8 and 16 bits without colour, else
 * BGR. *pix is consumed. */
int image_of_pix(PIX **pix, enum image_format format, float dpi, size_t max_px, struct image **ret,
                 struct err *err);
/* Black on white at 1 bit, reduced by 2 when half is set; for skew and rules. NULL without memory. */
PIX *pix_binarise(const struct image *im, int half);
void pix_freep(PIX **pix);

#endif
