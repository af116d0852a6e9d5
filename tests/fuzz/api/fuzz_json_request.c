/* A JSON convert request: filter, base64, option table. Whatever comes, no spool file stays behind, and the
 * options round-trip. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../unit/supervisor/api/fake_service.h"
#include "base/macros.h"
#include "supervisor/api/source_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_options(const struct intake *in)
{
    json_t *json = convert_options_to_json(&in->options);
    struct convert_options back;
    struct err err = ERR_INIT;
    if (convert_options_of_json(json, &back, &err) != 0)
        abort();
    convert_options_done(&back);
    json_decref(json);
}

static void run(struct service *service, const struct settings *settings, const char *lead,
                const uint8_t *data, size_t size, size_t chunk)
{
    struct intake in;
    intake_init(&in, service, settings);
    struct source_body *b = source_body_new(&in, "application/json");
    source_body_feed(b, lead, strlen(lead));
    for (size_t at = 0; at < size; at += chunk)
        source_body_feed(b, data + at, MIN(chunk, size - at));
    source_body_end(b);
    if (intake_ok(&in))
        intake_finish(&in);
    check_options(&in);
    source_body_free(b);
    intake_done(&in);
    if (fake_service_open_spools(service) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct settings settings;
    settings_init(&settings);
    struct service *service = fake_service_new();
    size_t chunk = data[0] + 1u;
    run(service, &settings, "", data + 1, size - 1, chunk);
    run(service, &settings, "{\"sources\":[{\"kind\":\"file\",\"filename\":\"x\",\"base64_string\":\"",
        data + 1, size - 1, chunk);
    run(service, &settings, "{\"options\":{\"page_range\":[", data + 1, size - 1, chunk);
    fake_service_free(service);
    settings_done(&settings);
    return 0;
}
