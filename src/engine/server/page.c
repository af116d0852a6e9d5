/* See page.h. Invariant: while a reference is held, the mapping holds and cannot change: the seals were
 * checked before it was made. */
#include "engine/server/page.h"

#include "base/mem.h"
#include "conf/limits.h"
#include "ipc/sealed.h"

int page_new(const struct ipc_page *info, int fd, atomic_int *alive, struct page **ret, struct err *err)
{
    uint64_t pixels = (uint64_t)info->width_px * info->height_px;
    size_t bytes;
    if (pixels > LIMIT_IMAGE_PIXELS)
        return err_fail(err, ERR_LIMIT, "a page of %ux%u pixels, at most %u are read", info->width_px,
                        info->height_px, LIMIT_IMAGE_PIXELS);
    if (info->stride_bytes < (uint64_t)info->width_px * info->format ||
        !num_mul(info->stride_bytes, info->height_px, &bytes))
        return err_fail(err, ERR_FORMAT, "a page with rows of %u bytes for %u pixels", info->stride_bytes,
                        info->width_px);
    const uint8_t *mapped;
    int r = sealed_map(fd, bytes, &mapped, err);
    if (r < 0)
        return r;
    struct page *p = xnew(struct page);
    atomic_init(&p->refs, 1);
    p->info = *info;
    p->pixels = mapped;
    p->bytes = bytes;
    p->alive = alive;
    atomic_fetch_add(alive, 1);
    *ret = p;
    return 0;
}

struct page *page_ref(struct page *p)
{
    atomic_fetch_add(&p->refs, 1);
    return p;
}

void page_unref(struct page *p)
{
    if (p == NULL || atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    sealed_unmap(p->pixels, p->bytes);
    atomic_fetch_sub(p->alive, 1);
    free(p);
}

struct vision_image page_image(const struct page *p)
{
    return (struct vision_image){
        .pixels = p->pixels,
        .width_px = (int)p->info.width_px,
        .height_px = (int)p->info.height_px,
        .stride_bytes = p->info.stride_bytes,
        .channels = p->info.format,
        .dpi = p->info.dpi,
    };
}
